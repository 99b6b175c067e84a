# An old mail server without any TLS. Takes mail for any user of any name in the lab and keeps it, as the other peers do.
postconf -e smtpd_tls_security_level=none smtp_tls_security_level=none local_recipient_maps= luser_relay=root \
    'mydestination=regexp:{{/[.]example[.]test/ local}}, localhost'
