drop_in shop-blue.service '[Service]' Environment=START=0.7
systemctl start shop-blue.service
[ "$(show shop-blue.service StatusText)" = ready ] || harm "systemd says that it is started before it is ready"
