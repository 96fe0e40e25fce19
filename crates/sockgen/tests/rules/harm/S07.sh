systemctl start shop.target
soon active shop-blue.service
systemctl restart shop-http.socket || true
pid1_listens 8080 || harm "$(show shop-http.socket Result): the port is closed"
