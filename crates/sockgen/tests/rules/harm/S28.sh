systemctl start web.service || harm "the unit is not loaded: $(show web.service LoadState)"
