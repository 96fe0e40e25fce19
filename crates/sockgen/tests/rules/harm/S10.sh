systemctl start shop-blue.service
systemctl stop shop-blue.service
curl --silent --max-time 2 --unix-socket /run/sockact/shop/blue.sock http://slot/-/status || true
settle
! active shop-blue.service || harm "a stray request started the retired slot"
