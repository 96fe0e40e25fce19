mkdir -p /run/sockact/shop
echo SOCKACT_GATE=closed >/run/sockact/shop/blue.env
systemctl start shop-http.socket shop-blue.service
answer=$(get 8080 1)
[ -z "$answer" ] || harm "a slot with a closed gate answers users"
