systemctl enable --force shop-green.service || true
systemctl enable --force shop-blue.service || true
live=$(basename "$(readlink /etc/systemd/system/shop.service)")
[ "$live" = shop-blue.service ] || harm "blue cannot be made the live slot: that is $live"
