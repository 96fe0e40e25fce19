systemctl start shop-blue.service
names=$(environment shop-blue.service LISTEN_FDNAMES)
twice=$(echo "$names" | tr : '\n' | sort | uniq -d)
[ -z "$twice" ] || harm "two descriptors are called $twice: $names"
