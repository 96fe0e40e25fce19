//! Who sends on time has to run on time.
//!
//! The load shares its processors with the service and with the deploy. A thread that waits for one of them sends late and reads late, which no
//! client on another machine would, and all of it would count as the service's latency.

use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Lets this thread run as soon as it has something to do (`SCHED_RR`, sched(7)). Only for what is never busy by itself, such as sending at a fixed
/// rate; false when this process may not: without privileges the kernel refuses.
pub(crate) fn be_on_time() -> bool {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy).is_ok()
}
