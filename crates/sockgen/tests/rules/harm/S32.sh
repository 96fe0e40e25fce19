systemctl start a.socket b.socket
answers=$(for _ in $(seq 40); do get; echo; done | sort -u | tr -d '\n')
[ "$answers" = a ] || harm "the connections to one port go to both: $answers"
