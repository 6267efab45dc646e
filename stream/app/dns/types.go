package dns

// The record types whose data is read (RFC 1035 and successors).
const (
	typeA     = 1
	typeNS    = 2
	typeCNAME = 5
	typeSOA   = 6
	typeNULL  = 10
	typePTR   = 12
	typeMX    = 15
	typeTXT   = 16
	typeAAAA  = 28
	typeSRV   = 33
	typeOPT   = 41
	typeSSHFP = 44
)

// rrtypes are the record types that have a name in EVE and in rules, with their bit in the log's filter.
var rrtypes = []struct {
	num  uint16
	name string
}{
	{1, "A"}, {2, "NS"}, {3, "MD"}, {4, "MF"}, {5, "CNAME"}, {6, "SOA"}, {7, "MB"}, {8, "MG"}, {9, "MR"}, {10, "NULL"},
	{11, "WKS"}, {12, "PTR"}, {13, "HINFO"}, {14, "MINFO"}, {15, "MX"}, {16, "TXT"}, {17, "RP"}, {18, "AFSDB"},
	{19, "X25"}, {20, "ISDN"}, {21, "RT"}, {22, "NSAP"}, {23, "NSAPPTR"}, {24, "SIG"}, {25, "KEY"}, {26, "PX"},
	{27, "GPOS"}, {28, "AAAA"}, {29, "LOC"}, {30, "NXT"}, {33, "SRV"}, {34, "ATMA"}, {35, "NAPTR"}, {36, "KX"},
	{37, "CERT"}, {38, "A6"}, {39, "DNAME"}, {41, "OPT"}, {42, "APL"}, {43, "DS"}, {44, "SSHFP"}, {45, "IPSECKEY"},
	{46, "RRSIG"}, {47, "NSEC"}, {48, "DNSKEY"}, {49, "DHCID"}, {50, "NSEC3"}, {51, "NSEC3PARAM"}, {52, "TLSA"},
	{55, "HIP"}, {59, "CDS"}, {60, "CDNSKEY"}, {65, "HTTPS"}, {99, "SPF"}, {249, "TKEY"}, {250, "TSIG"},
	{254, "MAILA"}, {255, "ANY"}, {256, "URI"},
}

// typeIndex is the index into rrtypes by number; -1 = none.
var typeIndex = func() (t [257]int8) {
	for i := range t {
		t[i] = -1
	}
	for i, r := range rrtypes {
		t[r.num] = int8(i)
	}
	return t
}()

// typeName returns the name of a record type, or nothing.
func typeName(n uint16) string {
	if int(n) >= len(typeIndex) || typeIndex[n] < 0 {
		return ""
	}
	return rrtypes[typeIndex[n]].name
}

// rcodes are the names of response codes (RFC 6895).
var rcodes = []struct {
	num  uint16
	name string
}{
	{0, "NOERROR"}, {1, "FORMERR"}, {2, "SERVFAIL"}, {3, "NXDOMAIN"}, {4, "NOTIMP"}, {5, "REFUSED"}, {6, "YXDOMAIN"},
	{7, "YXRRSET"}, {8, "NXRRSET"}, {9, "NOTAUTH"}, {10, "NOTZONE"}, {16, "BADVERS"}, {17, "BADKEY"}, {18, "BADTIME"},
	{19, "BADMODE"}, {20, "BADNAME"}, {21, "BADALG"}, {22, "BADTRUNC"},
}

func rcodeName(n uint16) string {
	if n <= 10 {
		return rcodes[n].name
	}
	return ""
}
