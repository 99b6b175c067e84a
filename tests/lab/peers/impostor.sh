#!/bin/sh
# An impostor that uses the hub's name with another key. Not Postfix: it logs every command.
systemctl --quiet disable --now postfix.service
systemctl --quiet mask postfix.service
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 365 -subj "/CN=hub.example.test" \
    -addext "subjectAltName=DNS:hub.example.test" -keyout /etc/impostor.key -out /etc/impostor.pem 2>/dev/null
install -m 755 /lab/impostor.py /usr/local/sbin/impostor
cat > /etc/systemd/system/impostor.service <<'UNIT'
[Unit]
Description=SMTP server that accepts everything and logs every command
[Service]
ExecStart=/usr/bin/python3 /usr/local/sbin/impostor /etc/impostor.pem /etc/impostor.key /var/log/impostor.log
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl --quiet enable --now --no-block impostor.service
