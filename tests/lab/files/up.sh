#!/bin/sh
# First boot of every host: it learns its name, as Debian's installer would have told it.
echo "$FQDN" > /etc/mailname
if command -v postconf > /dev/null; then
    postconf -e "myhostname = $FQDN" "mydestination = \$myhostname, localhost.$DOMAIN, localhost"
fi
