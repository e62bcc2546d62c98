//! Room `smpp`.
