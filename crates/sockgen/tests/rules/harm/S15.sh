systemctl start shop-http.socket shop-blue.service
[ "$(get)" = blue ] || harm "blue runs, the port is open, and nobody answers"
