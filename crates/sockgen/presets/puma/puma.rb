# How Puma serves config.ru.
threads 16, 16

# systemd's sockets, whatever their addresses are (LISTEN_FDS).
bind_to_activated_sockets
# An address of this slot alone, where each deploy asks for its health.
bind "unix://#{ENV.fetch("SOCKACT_HEALTH")}"

# How long an old release may take to end what it still answers: swap.drain.
force_shutdown_after Integer(ENV.fetch("SOCKACT_DRAIN_USEC")) / 1_000_000
