//! Which directives and values systemd has learnt since 252, by the "Added in version" of its man pages.
//!
//! `tests/tests/systemds.rs` holds it beside what each real systemd says of itself (`systemd --dump-configuration-items`), and has it read the values.

/// A directive, or one value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Novelty {
    /// Its sections.
    pub sections: &'static [&'static str],
    /// The directive.
    pub key: &'static str,
    /// The value, when the directive is older than it.
    pub value: Option<&'static str>,
    /// The first version that knows it.
    pub since: u16,
    /// The value that older ones get in the place of it; without one the line is left out. Older ones ignore a key that
    /// they do not know and a value that they cannot read, each with a warning in the journal alone: what was meant to
    /// protect then does not.
    pub instead: Option<&'static str>,
}

const fn key(sections: &'static [&'static str], since: u16, key: &'static str) -> Novelty {
    Novelty { sections, key, value: None, since, instead: None }
}

const fn value(
    key: &'static str,
    value: &'static str,
    since: u16,
    instead: &'static str,
) -> Novelty {
    Novelty { sections: &["Service"], key, value: Some(value), since, instead: Some(instead) }
}

const UNIT: &[&str] = &["Unit"];
const SERVICE: &[&str] = &["Service"];
const SOCKET: &[&str] = &["Socket"];
/// What systemd.exec(5) and systemd.resource-control(5) have: for whatever starts a process.
const EXEC: &[&str] = &["Service", "Socket"];

/// Every directive of services and sockets that 252 does not know, and every such value of which there is a weaker one.
pub const NOVELTIES: &[Novelty] = &[
    value("ProtectControlGroups", "private", 257, "yes"),
    value("ProtectControlGroups", "strict", 257, "yes"),
    value("PrivateTmp", "disconnected", 257, "yes"),
    value("PrivateUsers", "identity", 257, "yes"),
    value("PrivateUsers", "self", 257, "yes"),
    value("PrivateUsers", "full", 258, "yes"),
    value("ProtectHostname", "private", 258, "yes"),
    value("Type", "notify-reload", 253, "notify"),
    key(&["Install"], 253, "UpheldBy"),
    key(EXEC, 253, "LogFilterPatterns"),
    key(EXEC, 253, "MemoryZSwapMax"),
    key(EXEC, 253, "StartupMemoryZSwapMax"),
    key(EXEC, 253, "StartupMemoryHigh"),
    key(EXEC, 253, "StartupMemoryLow"),
    key(EXEC, 253, "StartupMemoryMax"),
    key(EXEC, 253, "StartupMemorySwapMax"),
    key(SERVICE, 253, "OpenFile"),
    key(SERVICE, 253, "ReloadSignal"),
    key(EXEC, 254, "DelegateSubgroup"),
    key(EXEC, 254, "ExtensionImagePolicy"),
    key(EXEC, 254, "ImportCredential"),
    key(EXEC, 254, "MemoryKSM"),
    key(EXEC, 254, "MemoryPressureThresholdSec"),
    key(EXEC, 254, "MemoryPressureWatch"),
    key(EXEC, 254, "MountImagePolicy"),
    key(EXEC, 254, "RootEphemeral"),
    key(EXEC, 254, "RootImagePolicy"),
    key(SERVICE, 254, "FileDescriptorStorePreserve"),
    key(SERVICE, 254, "RestartMaxDelaySec"),
    key(SERVICE, 254, "RestartMode"),
    key(SERVICE, 254, "RestartSteps"),
    key(EXEC, 255, "CoredumpReceive"),
    key(EXEC, 255, "NFTSet"),
    key(EXEC, 255, "SetLoginEnvironment"),
    key(SOCKET, 255, "PollLimitBurst"),
    key(SOCKET, 255, "PollLimitIntervalSec"),
    key(UNIT, 255, "SurviveFinalKillSignal"),
    key(EXEC, 256, "MemoryZSwapWriteback"),
    key(SOCKET, 256, "PassFileDescriptorsToExec"),
    key(UNIT, 256, "WantsMountsFor"),
    key(EXEC, 257, "BindLogSockets"),
    key(EXEC, 257, "ManagedOOMMemoryPressureDurationSec"),
    key(EXEC, 257, "PrivatePIDs"),
    key(EXEC, 258, "BPFDelegateAttachments"),
    key(EXEC, 258, "BPFDelegateCommands"),
    key(EXEC, 258, "BPFDelegateMaps"),
    key(EXEC, 258, "BPFDelegatePrograms"),
    key(EXEC, 258, "CacheDirectoryAccounting"),
    key(EXEC, 258, "CacheDirectoryQuota"),
    key(EXEC, 258, "DelegateNamespaces"),
    key(EXEC, 258, "LogsDirectoryAccounting"),
    key(EXEC, 258, "LogsDirectoryQuota"),
    key(EXEC, 258, "PrivateBPF"),
    key(EXEC, 258, "StateDirectoryAccounting"),
    key(EXEC, 258, "StateDirectoryQuota"),
    key(SOCKET, 258, "AcceptFileDescriptors"),
    key(SOCKET, 258, "DeferTrigger"),
    key(SOCKET, 258, "DeferTriggerMaxSec"),
    key(SOCKET, 258, "PassPIDFD"),
    key(UNIT, 258, "ConditionKernelModuleLoaded"),
    key(UNIT, 258, "AssertKernelModuleLoaded"),
    key(UNIT, 258, "ConditionVersion"),
    key(UNIT, 258, "AssertVersion"),
    key(EXEC, 259, "UserNamespacePath"),
    key(SERVICE, 259, "ExecReloadPost"),
    key(EXEC, 260, "BindNetworkInterface"),
    key(EXEC, 260, "MemoryTHP"),
    key(EXEC, 260, "RootMStack"),
    key(SERVICE, 260, "RefreshOnReload"),
    key(UNIT, 260, "ConditionPathIsSocket"),
    key(UNIT, 260, "AssertPathIsSocket"),
    key(EXEC, 261, "CPUPressureThresholdSec"),
    key(EXEC, 261, "CPUPressureWatch"),
    key(EXEC, 261, "CPUSetPartition"),
    key(EXEC, 261, "IOPressureThresholdSec"),
    key(EXEC, 261, "IOPressureWatch"),
    key(EXEC, 261, "OOMRules"),
    key(UNIT, 261, "ConditionFraction"),
    key(UNIT, 261, "AssertFraction"),
    key(UNIT, 261, "ConditionMachineTag"),
    key(UNIT, 261, "AssertMachineTag"),
    key(SERVICE, 262, "LUOSession"),
    key(SERVICE, 262, "RestartRandomizedDelaySec"),
    key(SOCKET, 262, "XAttrAccept"),
    key(SOCKET, 262, "XAttrEntryPoint"),
    key(SOCKET, 262, "XAttrListen"),
];
