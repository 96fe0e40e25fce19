drop_in shop-blue.service '[Service]' ExecStart= ExecStart=/bin/false
rm /etc/systemd/system/shop.service
systemctl start shop.target shop-green.service
systemctl start --no-block shop-blue.service
restarted() { failed shop-http.socket || [ "$(show shop-blue.service NRestarts)" -ge 7 ]; }
soon restarted
pid1_listens 8080 || harm "$(show shop-http.socket Result): PID 1 closed the socket under green, which is $(show shop-green.service ActiveState)"
