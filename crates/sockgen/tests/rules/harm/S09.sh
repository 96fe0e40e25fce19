drop_in shop-http.socket '[Unit]' RefuseManualStop=no
systemctl start shop-http.socket shop-blue.service
systemctl stop shop-http.socket
settle
active shop-blue.service || harm "the slot was stopped with the socket"
