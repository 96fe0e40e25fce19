systemctl start shop-http.socket
[ "$(get)" = blue ] || harm "nobody answers, and the slot is $(show shop-blue.service ActiveState)"
