systemctl start shop-http.socket || harm "with Service= the socket is not even loaded: $(show shop-http.socket LoadState)"
