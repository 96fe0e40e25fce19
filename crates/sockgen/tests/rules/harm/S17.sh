systemctl start shop-http.socket
[ "$(get)" = blue ] || harm "no slot was started, and nobody answers"
