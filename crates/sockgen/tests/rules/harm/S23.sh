systemctl start shop-http.socket shop-blue.service
systemctl stop shop-blue.service
settle
pid1_listens 8080 || harm "the port was closed with blue"
