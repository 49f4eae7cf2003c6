"""What a person looks at: contact sheet, report page, dataset card."""
