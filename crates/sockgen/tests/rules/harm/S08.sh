systemctl start shop.target
systemctl stop shop.target
settle
! pid1_listens 8080 || harm "the application was stopped, and the port is open"
