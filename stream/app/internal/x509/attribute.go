package x509

// x520 are the names of the attributes below 2.5.4 (ITU-T X.520), by last arc.
var x520 = [...]string{
	0: "objectClass", 1: "aliasedEntryName", 2: "knowledgeInformation", 3: "CN", 4: "surname", 5: "serialNumber", 6: "C", 7: "L",
	8: "ST", 9: "streetAddress", 10: "O", 11: "OU", 12: "title", 13: "description", 14: "searchGuide", 15: "businessCategory",
	16: "postalAddress", 17: "postalCode", 41: "name", 42: "givenName", 43: "initials", 44: "generationQualifier",
	45: "uniqueIdentifier", 46: "dnQualifier",
}

// extensions are the names of the arcs below 2.5.29, which some issuers put into names.
var extensions = [...]string{
	1: "oldAuthorityKeyIdentifier", 2: "oldKeyAttributes", 3: "oldCertificatePolicies", 4: "oldKeyUsage", 5: "oldPolicyMapping",
	6: "oldSubtreesConstraint", 7: "oldSubjectAltNAme", 8: "oldIssuerAltNAme", 14: "subjectKeyIdentifier", 15: "keyUsage",
	16: "privateKeyUsagePeriod", 17: "subjectAltName", 18: "issuerAltName", 19: "basicConstraints", 20: "crlNumber",
	21: "reasonCode", 23: "holdInstructionCode", 24: "invalidityDate", 27: "deltaCRLIndicator", 28: "issuerDistributionPoint",
	29: "issuer", 30: "nameConstraints", 31: "crlDistributionPoints", 32: "certificatePolicies", 33: "policyMappings",
	35: "authorityKeyIdentifier", 36: "policyConstraints", 37: "extendedKeyUsage", 46: "freshestCRL", 54: "inhibitAnyPolicy",
}

// others are the attributes elsewhere, by encoded identifier.
var others = []struct{ oid, name string }{
	{"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", "DC"},
	{"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", "uid"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", "Email"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02", "unstructuredName"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03", "contentType"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07", "challengePassword"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x14", "friendlyName"},
	{"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01", "msJurisdictionLocality"},
	{"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02", "msJurisdictionStateOrProvince"},
	{"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03", "msJurisdictionCountry"},
}

// appendAttribute appends the name of an attribute's type.
func appendAttribute(dst, oid []byte) []byte {
	if len(oid) == 3 && oid[0] == 0x55 && oid[1] == 4 && int(oid[2]) < len(x520) && x520[oid[2]] != "" {
		return append(dst, x520[oid[2]]...)
	}
	if len(oid) == 3 && oid[0] == 0x55 && oid[1] == 29 && int(oid[2]) < len(extensions) && extensions[oid[2]] != "" {
		return append(dst, extensions[oid[2]]...)
	}
	for i := range others {
		if string(oid) == others[i].oid {
			return append(dst, others[i].name...)
		}
	}
	return append(appendOID(append(dst, "OID("...), oid), ')')
}
