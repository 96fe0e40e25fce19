[ "$(show web.service LimitNOFILE)" = 4096 ] || harm "the limit does not hold"
