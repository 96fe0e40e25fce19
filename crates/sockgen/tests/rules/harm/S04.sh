drop_in shop-blue.service '[Service]' Environment=ACCEPT=no
systemctl start shop.target
curl --silent --max-time 2 http://127.0.0.1:8080/ &
client=$!
waiting() { [ "$(awk '$2 ~ /:1F90$/ && $4 == "01"' /proc/net/tcp | wc -l)" -ge 1 ]; }
soon waiting
systemctl stop shop-blue.service
status=0
wait "$client" || status=$?
case $status in
    28) ;;
    52 | 56) harm "the client that waited was reset (curl: $status)" ;;
    *) exit 1 ;;
esac
