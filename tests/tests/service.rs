//! A slot as a service: its limits as systemd has them, its secrets in nobody's sight, and each relaxation opens what it says and no more.

use e2e::{Sandbox, binaries};
use sockgen::RELAXATIONS;

/// Does what a strict slot may not, says what worked, and is ready.
const PROGRAM: &str = r#"#!/usr/bin/python3
import ctypes, errno, hashlib, mmap, os, signal, socket, subprocess
libc = ctypes.CDLL(None)
def secret():
    with open(os.environ["CREDENTIALS_DIRECTORY"] + "/db-password", "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
def write(path):
    with open(path, "w"):
        pass
def expect(true):
    if not true:
        raise OSError("not so")
def debugged():
    child = os.fork()
    if child == 0:
        os._exit(0 if libc.ptrace(0, 0, 0, 0) == 0 else 1)
    expect(os.waitpid(child, 0)[1] == 0)
def in_real_time():
    # A kernel with RT_GROUP_SCHED lets nobody in a cgroup, and a container may have no such limit to give: it is asked for a priority that there is not,
    # which the kernel looks at first, and the sandbox before the kernel.
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(0))
    except OSError as error:
        expect(error.errno == errno.EINVAL)
def low_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 80))
deeds = {
    "all-syscalls": debugged,
    "capability": low_port,
    "devices": lambda: os.stat("/dev/device"),
    "family": lambda: socket.socket(socket.AF_VSOCK).close(),
    "foreign-binaries": lambda: expect(subprocess.run(["/srv/foreign"]).returncode == 42),
    "kernel-logs": lambda: expect(libc.klogctl(3, ctypes.create_string_buffer(64), 64) >= 0),
    "kernel-tunables": lambda: expect(not os.statvfs("/proc/sys").f_flag & os.ST_RDONLY),
    "realtime": in_real_time,
    "setuid-programs": lambda: expect(subprocess.run(["/srv/setuid", "-u"], capture_output=True).stdout == b"0\n"),
    "syscalls": debugged,
    "write": lambda: write("/srv/uploads/file"),
    "disk": lambda: write("/srv/other/file"),
    "home": lambda: os.listdir("/home"),
    "jit": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "namespaces": lambda: subprocess.run(["unshare", "--user", "true"], check=True),
    "personality": lambda: subprocess.run(["setarch", "--addr-no-randomize", "true"], check=True),
    "privileged-calls": lambda: os.chown("/srv/uploads/file", -1, -1),
    "proc": lambda: os.stat("/proc/meminfo"),
    "other-processes": lambda: os.stat("/proc/1/status"),
    "raw-network": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "scheduling": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
    "shared-tmp": lambda: os.stat("/tmp/meeting"),
    "users": lambda: expect(os.stat("/srv/daemon").st_uid == 1),
}
print("secret", secret(), flush=True)
done = []
for name, deed in deeds.items():
    try:
        deed()
        done.append(name)
    except (OSError, subprocess.CalledProcessError) as error:
        print(name, error, flush=True)
print("done", *done, flush=True)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
signal.pause()
"#;

const SECRET: &str = "hunter2 and a half";

const MANIFEST: &str = r#"
name = "svc"
exec = "/usr/local/bin/svc"
gate = false
user = "www-data"
secrets = ["db-password"]
health.exec = ["/bin/true"]
listeners.http.listen = "127.0.0.1:8080"
storage.write = ["/srv/uploads"]
[resources]
memory_high = "384MiB"
memory_max = "512MiB"
memory_swap_max = "0"
cpu_quota = "150%"
cpu_weight = 200
io_weight = 50
tasks_max = 200
open_files = 65536
nice = 5
oom_score = 100
"#;

/// A program of 32 bits that exits with 42: the header of an ELF file, that of its only segment, and `mov eax, 1; mov ebx, 42; int 0x80` (elf(5)).
fn foreign() -> Vec<u8> {
    let code = [0xb8, 1, 0, 0, 0, 0xbb, 42, 0, 0, 0, 0xcd, 0x80];
    let whole = 84 + code.len() as u32;
    let base = 0x0804_8000u32;
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0".to_vec();
    let words = |file: &mut Vec<u8>, words: &[u32]| {
        file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    };
    words(&mut file, &[1, base + 84, 52, 0, 0]);
    file.extend([52u16, 32, 1, 0, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    words(&mut file, &[1, 0, base, base, whole, whole, 5, 0x1000]);
    file.extend(code);
    file
}

/// Installs it with these relaxations, starts a slot of it anew, and gives what that wrote.
fn started(sandbox: &Sandbox, allow: &str) -> String {
    let manifest = format!("{MANIFEST}[hardening]\nallow = [{allow}]\n");
    sandbox.install_file("/srv/sockact.toml", manifest, 0o644);
    sandbox.run(["sockgen", "install", "/srv/sockact.toml"]).ok();
    sandbox.run(["systemctl", "restart", "svc-blue.service"]).ok();
    sandbox.journal("svc-blue.service")
}

/// The deeds that worked, of the last start.
fn done(journal: &str) -> Vec<&str> {
    let last = journal.lines().filter_map(|line| line.strip_prefix("done ")).next_back();
    last.unwrap_or_else(|| panic!("nothing was done:\n{journal}")).split(' ').collect()
}

fn machine() -> Sandbox {
    let sandbox = Sandbox::boot();
    sandbox.install_program(&binaries::get().sockgen);
    sandbox.install_file("/usr/local/bin/svc", PROGRAM, 0o755);
    let prepare = "mkdir /srv/uploads /srv/other; chown www-data /srv/uploads /srv/other; \
                   touch /srv/daemon /tmp/meeting; chown 1 /srv/daemon; \
                   cp /usr/bin/id /srv/setuid; chmod 4755 /srv/setuid; mknod --mode=666 /dev/device c 1 3";
    sandbox.run(["sh", "-c", prepare]).ok();
    sandbox.install_file("/srv/foreign", foreign(), 0o755);
    sandbox
}

#[test]
fn a_slot_has_its_limits_its_secret_and_what_is_allowed() {
    let sandbox = machine();
    sandbox.install_file("/srv/sockact.toml", MANIFEST, 0o644);
    let refused = sandbox.run(["sockgen", "install", "/srv/sockact.toml"]).exits(1);
    assert!(refused.stderr.contains("sockgen secret set svc db-password"), "{refused}");
    sandbox.install_file("/srv/secret", SECRET, 0o400);
    let set = "sockgen secret set svc db-password </srv/secret && rm /srv/secret";
    let set = sandbox.run(["sh", "-c", set]).ok();
    assert!(set.stdout.contains("encrypted with the key of this machine"), "{set}");

    let journal = started(&sandbox, "");
    assert_eq!(done(&journal), ["write"], "{journal}");
    let sum = sandbox.run(["sh", "-c", &format!("printf %s '{SECRET}' | sha256sum")]).ok().stdout;
    assert!(journal.contains(&format!("secret {}", &sum[..64])), "{journal}");
    limits(&sandbox);
    nobody_sees_the_secret(&sandbox);
    let needed = sandbox.run(["sockgen", "secret", "remove", "svc", "db-password"]).exits(1);
    assert!(needed.stderr.contains("without it no slot would start"), "{needed}");

    for kind in RELAXATIONS {
        let word = match kind.name {
            "capability" => "capability:CAP_NET_BIND_SERVICE",
            "family" => "family:AF_VSOCK",
            "syscalls" => "syscalls:@debug",
            // Only x86-64 runs the programs of an older one.
            "foreign-binaries" if !cfg!(target_arch = "x86_64") => continue,
            name => name,
        };
        let journal = started(&sandbox, &format!("\"{word}\""));
        assert!(done(&journal).contains(&kind.name), "{word} does not work:\n{journal}");
    }
}

fn limits(sandbox: &Sandbox) {
    let expected = [
        "MemoryHigh=402653184",
        "MemoryMax=536870912",
        "MemorySwapMax=0",
        "CPUQuotaPerSecUSec=1.500000s",
        "CPUWeight=200",
        "IOWeight=50",
        "TasksMax=200",
        "LimitNOFILE=65536",
        "Nice=5",
        "OOMScoreAdjust=100",
    ];
    let shown = sandbox.run(["systemctl", "show", "svc-blue.service"]).ok().stdout;
    for line in expected {
        assert!(shown.lines().any(|found| found == line), "{line} is not in\n{shown}");
    }
}

/// Neither in the journal, nor in what others may read of processes and files.
fn nobody_sees_the_secret(sandbox: &Sandbox) {
    let journal = sandbox.run(["journalctl", "--no-pager"]).ok().stdout;
    assert!(!journal.contains(SECRET), "{journal}");
    // The pattern comes by standard input, so that grep does not find itself.
    sandbox.install_file("/run/pattern", SECRET, 0o400);
    let places = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ /etc/systemd/system/svc* /etc/sockact/svc.toml \
                  /etc/sockact/secrets/svc/* | grep --text --count --fixed-strings --file=/run/pattern";
    let found = sandbox.run(["sh", "-c", places]);
    assert_eq!(found.stdout.trim(), "0", "{found}");
}
