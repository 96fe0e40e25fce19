systemctl start shop-green.service
systemctl start shop-blue.service
settle
active shop-green.service || harm "green was stopped when blue was started"
