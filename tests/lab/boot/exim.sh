#!/bin/sh
# exim4 as the mail server, with a message in its queue that it has not delivered.
sed -i "s/^dc_eximconfig_configtype=.*/dc_eximconfig_configtype='internet'/" /etc/exim4/update-exim4.conf.conf
update-exim4.conf
printf 'From: alice@%s\nTo: bob@trusted.%s\nSubject: Queued\n\nNot yet delivered.\n' "$FQDN" "$DOMAIN" |
    exim4 -odq -f "alice@$FQDN" "bob@trusted.$DOMAIN"
# The queue runner leaves frozen messages alone.
exim4 -Mf "$(exim4 -bp | awk '{ print $3; exit }')"
systemctl --quiet enable --now --no-block exim4.service
