//! What `sockact.toml` says of a program that opens its own address, and cannot be passed a socket.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::At;
use crate::names::SlotName;

/// Where the program of each slot listens, and how it is told. `{port}`, `{host}` and `{address}` stand for what its slot has.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proxy {
    /// The address that the program of each slot opens, which nobody else uses: on the loopback, or a path.
    pub(crate) to: BTreeMap<SlotName, At>,
    /// Arguments after those in `args`, such as `--port={port}`.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// Variables beside those in `environment`, such as `PORT = "{port}"`.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
}
