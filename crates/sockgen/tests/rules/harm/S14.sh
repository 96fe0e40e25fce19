systemctl start shop-http.socket || harm "$(show shop-http.socket Result): the socket does not open"
