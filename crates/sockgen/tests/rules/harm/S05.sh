systemctl start shop.target
soon active shop-blue.service
pid=$(show shop-blue.service MainPID)
blocking() { awk '/^flags:/ && int($2 / 1000) % 10 < 4 { n++ } END { exit n == 0 }' "/proc/$pid/fdinfo/3" "/proc/$pid/fdinfo/4" "/proc/$pid/fdinfo/5"; }
! blocking
systemctl start shop-green.service
! blocking || harm "a listener of blue is in blocking mode since green was started"
