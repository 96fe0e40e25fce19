systemctl start shop-http.socket
[ "$(get)" = blue ]
done_() { [ "$(show shop-activate.service SubState)" != start ]; }
soon done_
systemctl stop shop-blue.service
[ "$(get)" = blue ] || harm "the second time nothing is started: the activator is $(show shop-activate.service SubState)"
