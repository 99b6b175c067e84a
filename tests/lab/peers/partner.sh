#!/bin/sh
# A partner with six ports, 2501 to 2506. "partner broken" makes each of them fail in its own way, and "partner healthy" as it should be:
# 2501 offers no STARTTLS, 2502 loses it on the way, 2503 has a certificate of an unknown CA, 2504 one of another name, 2505 another key, and
# 2506 an expired certificate. "partner stripped" breaks 2502 only. All mail is delivered to root's mailbox.
cd /etc/postfix || exit 1
request() { # FILE NAME OPTION...
    file=$1 name=$2
    shift 2
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -subj "/CN=$name" -addext "subjectAltName=DNS:$name" \
        -addext basicConstraints=critical,CA:FALSE -keyout "$file.key" -out "$file.crt" "$@" 2>/dev/null
    cat "$file.key" "$file.crt" /lab/authority/intermediate.pem > "$file.pem"
    chmod 600 "$file.pem"
}
authority="-CA /lab/authority/intermediate.pem -CAkey /lab/authority/intermediate.key"
cat "/lab/certificates/$FQDN/privkey.pem" "/lab/certificates/$FQDN/fullchain.pem" > healthy.pem
chmod 600 healthy.pem
# shellcheck disable=SC2086
{
    request unknown "$FQDN" -days 90
    request name "other.$DOMAIN" -days 90 $authority
    request key "$FQDN" -days 90 $authority
    request expired "$FQDN" -not_before 20200101000000Z -not_after 20210101000000Z $authority
}
cat > /usr/local/sbin/partner <<'SCRIPT'
#!/bin/sh
set -eu
for port in 2501 2502 2503 2504 2505 2506; do
    file=healthy options=
    case $1-$port in
        broken-2501) options="-o smtpd_tls_security_level=none" ;;
        broken-2502 | stripped-2502) options="-o smtpd_discard_ehlo_keywords=starttls" ;;
        broken-2503) file=unknown ;;
        broken-2504) file=name ;;
        broken-2505) file=key ;;
        broken-2506) file=expired ;;
    esac
    postconf -M "$port/inet=$port inet n - y - - smtpd -o syslog_name=postfix/$port -o smtpd_tls_chain_files=/etc/postfix/$file.pem $options"
done
systemctl restart postfix
SCRIPT
chmod 755 /usr/local/sbin/partner
postconf -e smtpd_tls_security_level=may smtpd_tls_loglevel=1 smtpd_tls_received_header=yes smtpd_tls_chain_files=/etc/postfix/healthy.pem \
    'mydestination=regexp:{{/[.]example[.]test/ local}}, localhost' local_recipient_maps= luser_relay=root \
    smtpd_client_connection_count_limit=0
for port in 2501 2502 2503 2504 2505 2506; do
    postconf -M "$port/inet=$port inet n - y - - smtpd"
done
