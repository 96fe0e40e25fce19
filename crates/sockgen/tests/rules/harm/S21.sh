drop_in shop-blue.service '[Service]' Environment=DRAIN=1.5 Restart=no
systemctl start shop-blue.service
systemctl stop shop-blue.service
[ "$(show shop-blue.service Result)" = success ] || harm "$(show shop-blue.service Result): it was killed while it drained"
