# A mail server with STARTTLS and a certificate of the lab's CA: whoever trusts that CA can verify it.
install -m 600 /lab/certificates/$fqdn/privkey.pem /etc/postfix/key.pem
install -m 644 /lab/certificates/$fqdn/fullchain.pem /etc/postfix/cert.pem
postconf -e smtpd_tls_security_level=may smtpd_tls_loglevel=1 smtpd_tls_received_header=yes \
    smtpd_tls_cert_file=/etc/postfix/cert.pem smtpd_tls_key_file=/etc/postfix/key.pem \
    local_recipient_maps= luser_relay=root \
    'mydestination=regexp:{{/[.]example[.]test/ local}}, localhost'
