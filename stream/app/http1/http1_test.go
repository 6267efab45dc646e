package http1

import (
	"testing"

	"sentinel/stream/app/apptest"
)

func TestConversations(t *testing.T) { apptest.Run(t, Protocol(), "testdata/*.txt") }
