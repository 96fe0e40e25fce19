drop_in shop-blue.service '[Service]' ExecStart= ExecStart=/bin/true
systemctl start --no-block shop-blue.service
sleep 1
starts=$(show shop-blue.service NRestarts)
[ "$starts" -le 10 ] || harm "$starts starts in a second"
