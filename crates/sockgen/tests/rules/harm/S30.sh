systemctl start web.socket web.service
systemctl stop web.service
curl --silent --max-time 2 --unix-socket /run/web/web.sock http://web/ || harm "nobody can connect, and the socket is $(show web.socket ActiveState)"
