systemctl start shop.service
case " $(show shop-blue.service Environment) " in
    *" X=shop.service "*) harm "%n of shop-blue.service is shop.service" ;;
esac
