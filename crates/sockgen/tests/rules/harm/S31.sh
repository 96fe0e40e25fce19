systemctl start web.socket || harm "$(show web.socket Result): the socket does not open"
