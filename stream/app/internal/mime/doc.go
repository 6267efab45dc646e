// Package mime reads mail bodies (RFC 2045, RFC 2046) line by line: headers, nested parts, encodings, attachments, links.
//
// It keeps what events and rules show, and hands the decoded bytes of attachments to its caller. It knows nothing of SMTP, files
// or output.
package mime
