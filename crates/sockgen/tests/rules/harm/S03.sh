drop_in shop-blue.service '[Service]' ExecStart= ExecStart=/bin/true
systemctl start --no-block shop-blue.service
# What is counted is what happens in a second: a loop has no end to wait for, and its absence has none either.
sleep 1
starts=$(show shop-blue.service NRestarts)
[ "$starts" -le 10 ] || harm "$starts starts in a second"
