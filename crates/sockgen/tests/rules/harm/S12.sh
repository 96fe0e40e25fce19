systemctl start shop-blue.service
names=$(environment shop-blue.service LISTEN_FDNAMES)
case ":$names:" in
    *:http:*) ;;
    *) harm "no descriptor is called http: $names" ;;
esac
