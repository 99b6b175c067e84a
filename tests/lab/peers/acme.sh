#!/bin/sh
# An ACME server, Pebble: https://acme.example.test:14000/dir, with a certificate of the lab's CA. Its certificates are valid
# for six days, and its root CA is at :15000/roots/0. Its DNS server is Knot, which accepts updates of the challenges of the
# names below, signed with the key "challenge", and forwards all other queries to the lab's name server.
cat > /etc/pebble.json <<CONFIG
{
  "pebble": {
    "listenAddress": "0.0.0.0:14000",
    "managementListenAddress": "0.0.0.0:15000",
    "certificate": "/lab/certificates/$FQDN/fullchain.pem",
    "privateKey": "/lab/certificates/$FQDN/privkey.pem",
    "httpPort": 80,
    "tlsPort": 443,
    "ocspResponderURL": "",
    "externalAccountBindingRequired": false,
    "certificateValidityPeriod": 518400,
    "profiles": {"default": {"description": "Six days", "validityPeriod": 518400}}
  }
}
CONFIG
cat > /etc/systemd/system/pebble.service <<'UNIT'
[Unit]
Description=ACME server
After=knot.service
[Service]
# By default Pebble rejects some requests and delays validation, to test clients.
Environment=PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0
ExecStart=/usr/bin/pebble -config /etc/pebble.json -dnsserver 127.0.0.1:53
[Install]
WantedBy=multi-user.target
UNIT
install -d -o knot -g knot -m 750 /var/lib/knot/challenges
cat > /etc/knot/knot.conf <<CONFIG
server:
    listen: 0.0.0.0@53
log:
  - target: syslog
    any: info
key:
  - id: challenge
    algorithm: hmac-sha256
    secret: $(printf 'The lab may change its names.' | base64)
acl:
  - id: challenge
    key: challenge
    action: update
remote:
  - id: ns
    address: $(awk '$1 == "nameserver" { print $2; exit }' /etc/resolv.conf)@53
mod-dnsproxy:
  - id: default
    remote: ns
template:
  - id: default
    global-module: mod-dnsproxy/default
    storage: /var/lib/knot/challenges
    file: "%s.zone"
    acl: challenge
zone:
CONFIG
for name in renewal one.renewal two.renewal renewal-bookworm; do
    zone=_acme-challenge.$name.$DOMAIN
    printf "\$TTL 0\n@ SOA %s. hostmaster.%s. 1 3600 600 86400 0\n@ NS %s.\n" "$FQDN" "$DOMAIN" "$FQDN" \
        > "/var/lib/knot/challenges/$zone.zone"
    echo "  - domain: $zone" >> /etc/knot/knot.conf
done
chown knot:knot /var/lib/knot/challenges/*.zone
chown root:knot /etc/knot/knot.conf
chmod 640 /etc/knot/knot.conf
systemctl daemon-reload
systemctl --quiet enable --now --no-block pebble.service
