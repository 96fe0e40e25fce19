rm -f /etc/systemd/system/shop.service
drop_in shop-activate.service '[Service]' ExecStopPost=
systemctl start shop-http.socket
get 8080 3
pid1_listens 8080 || harm "$(show shop-http.socket Result): one connection closed the port"
