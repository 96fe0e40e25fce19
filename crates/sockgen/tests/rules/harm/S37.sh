drop_in shop-blue.service '[Service]' ExecStart= ExecStart=/bin/false
systemctl start --no-block shop-blue.service
restarted() { failed shop-blue-admin.socket || [ "$(show shop-blue.service NRestarts)" -ge 7 ]; }
soon restarted
! failed shop-blue-admin.socket || harm "$(show shop-blue-admin.socket Result) of the private socket"
