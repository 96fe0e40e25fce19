# The drop-in comes while the socket is open.
folder=/etc/systemd/system/shop-http.socket.d
[ ! -d "$folder" ] || mv "$folder" /root/away
systemctl daemon-reload
systemctl start shop.target
pid1_listens 8080
[ ! -d /root/away ] || mv /root/away "$folder"
systemctl daemon-reload
pid1_listens 8080 || pid1_listens 8090 || harm "PID 1 has no socket, and the unit is $(show shop-http.socket ActiveState)"
