#!/bin/sh
# A mail provider: submission on ports 587, 465 and 2587 for alice and bob, who authenticate with their names as passwords and
# may send from their own addresses only. It delivers all mail to local mailboxes. replace-key gives it a new key and certificate.
cat > /usr/local/sbin/replace-key <<SCRIPT
#!/bin/sh
set -eu
cd "\$(mktemp -d)"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 90 -subj /CN=$FQDN \
    -addext subjectAltName=DNS:$FQDN -addext basicConstraints=critical,CA:FALSE \
    -CA /lab/authority/intermediate.pem -CAkey /lab/authority/intermediate.key -keyout key.pem -out cert.pem 2>/dev/null
cat key.pem cert.pem /lab/authority/intermediate.pem > chain.pem
install -m 600 chain.pem /etc/postfix/chain.pem.new
mv /etc/postfix/chain.pem.new /etc/postfix/chain.pem
SCRIPT
chmod 755 /usr/local/sbin/replace-key
replace-key
cat > /etc/dovecot/dovecot.conf <<'CONFIG'
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols =
ssl = no
auth_mechanisms = plain login
auth_allow_cleartext = yes
passdb pam {
}
userdb passwd {
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
CONFIG
postconf -e smtpd_tls_security_level=may smtpd_tls_loglevel=1 smtpd_tls_received_header=yes \
    smtpd_tls_chain_files=/etc/postfix/chain.pem smtpd_sasl_type=dovecot smtpd_sasl_path=private/auth \
    "smtpd_sender_login_maps=inline:{alice@$FQDN=alice, bob@$FQDN=bob}" \
    'mydestination=regexp:{{/./ local}}' local_recipient_maps= luser_relay=root
# A process for each connection: the next one has the new key.
postconf -P smtp/inet/max_use=1
for port in 587 465 2587; do
    service=$port/inet
    postconf -M "$service=$port inet n - y - - smtpd"
    postconf -P "$service/max_use=1" "$service/syslog_name=postfix/$port" "$service/smtpd_sasl_auth_enable=yes" \
        "$service/smtpd_tls_security_level=encrypt" "$service/smtpd_tls_auth_only=yes" \
        "$service/smtpd_relay_restrictions=permit_sasl_authenticated,reject" \
        "$service/smtpd_sender_restrictions=reject_sender_login_mismatch"
done
postconf -P 465/inet/smtpd_tls_wrappermode=yes
postfix check
systemctl --quiet enable --now --no-block dovecot.service
