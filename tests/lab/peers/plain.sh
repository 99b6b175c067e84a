# An old mail server without any TLS. Takes mail for any user of its own name and keeps it.
postconf -e smtpd_tls_security_level=none smtp_tls_security_level=none local_recipient_maps= luser_relay=root
