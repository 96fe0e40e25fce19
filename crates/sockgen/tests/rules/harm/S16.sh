systemctl start shop-http.socket
answer=$(get)
[ "$answer" = blue ] || harm "blue is the live slot, and ${answer:-nobody} answers"
