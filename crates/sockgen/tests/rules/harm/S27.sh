before=$(cat /etc/systemd/system/shop-*)
sockgen install /srv/rules/sockact.toml >/dev/null
[ "$(cat /etc/systemd/system/shop-*)" = "$before" ] || harm "what was changed by hand is gone"
