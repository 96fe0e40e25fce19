systemctl start shop-blue.service
soft=$(awk '/^Max open files/ { print $4 }' "/proc/$(show shop-blue.service MainPID)/limits")
[ "$soft" -gt 1024 ] || harm "the limit is $soft"
