# First boot of every host: it learns its name, as Debian's installer would have told it.
echo "$fqdn" > /etc/mailname
if command -v postconf > /dev/null; then
    postconf -e "myhostname = $fqdn" "mydestination = \$myhostname, localhost.$domain, localhost"
fi
